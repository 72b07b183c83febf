"""How good masks are by people's judgement: corrected (Sec. 5), and rated from 1 to 10 (App. E)."""
