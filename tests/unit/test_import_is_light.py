import subprocess
import sys

import pytest

import anymask


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import anymask",
        "import anymask.cli.main as m\nm.build_parser()",
        "from anymask import Prompt, read_image",
    ],
)
def test_import_and_command_line_load_no_torch(statement):
    assert "torch" not in modules_after(statement)


def test_first_masks_do_not_wait_for_the_compiler():
    """PyTorch imports its compiler, for a second and more, when it meets an unusual operation."""
    statement = """if True:
    import numpy as np
    from anymask import Prompt, load_model
    predictor = load_model(device="cpu")
    embedding = predictor.embed(np.zeros((40, 50, 3), np.uint8))
    predictor.predict(embedding, Prompt(point_coords=[[20, 20]])).masks
    """
    assert not {"sympy", "torch._dynamo", "torch._inductor"} & modules_after(statement)


def test_every_public_name_is_there():
    for name in anymask.__all__:
        assert getattr(anymask, name) is not None
    assert set(anymask.__all__) <= set(dir(anymask))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segment_anything'"):
        anymask.segment_anything  # noqa: B018
