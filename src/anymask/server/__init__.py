"""The studio's HTTP side: who may ask what, and the answers. FastAPI is known here only."""
