"""How versions are written on the command line."""

import pytest

from components.promoting.registry import split_name
from voco_model.errors import VocoError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("voco-llama", ("voco-llama", "")),
        ("mine@champion", ("mine", "@champion")),
        ("mine/3", ("mine", "/3")),
        ("3", ("voco-llama", "/3")),
        ("@challenger", ("voco-llama", "@challenger")),
    ],
)
def test_a_bare_number_or_alias_is_of_the_usual_model(written, meant):
    assert split_name(written) == meant


def test_a_name_that_mlflow_would_not_take_is_refused():
    with pytest.raises(VocoError):
        split_name("a:b@champion")
