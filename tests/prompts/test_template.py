"""Single-pass substitution."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rerankbench.prompts.template import Template


@given(literals=st.lists(st.text(), min_size=2, max_size=5), values=st.lists(st.text(), min_size=4, max_size=4))
def test_a_template_is_its_literals_with_the_values_between_them(literals: list[str], values: list[str]) -> None:
    names = ["a", "b", "c", "d"]
    text = literals[0].replace("{", "{{").replace("}", "}}")
    expected = literals[0]
    for literal, name, value in zip(literals[1:], names, values, strict=False):
        text += f"{{{name}}}" + literal.replace("{", "{{").replace("}", "}}")
        expected += value + literal
    template = Template.parse(text)
    assert template.fill(dict(zip(names, values, strict=True))) == expected
    assert template.placeholders == set(names[: len(literals) - 1])
