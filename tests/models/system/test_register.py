"""Words of registers from their fields and back."""

from __future__ import annotations

import pytest

from models.errors import FcimError
from models.hardware.interface import COUNTER_INFO
from models.system.registers import REGISTERS


def test_offsets_are_words_one_behind_the_other() -> None:
    assert [register.offset for register in REGISTERS.values()] == list(range(0, 4 * len(REGISTERS), 4))
    for register in REGISTERS.values():
        masks = [field.mask for field in register.fields]
        assert sum(masks) < 1 << 32 and all(not one & other for one in masks for other in masks if one is not other)


def test_an_engine_has_as_many_counters_as_its_interface_names() -> None:
    assert REGISTERS["engine_counters"].field("value").reset == len(COUNTER_INFO)


def test_words_and_fields() -> None:
    select = REGISTERS["counter_select"]
    assert select.encode(engine=5, counter=17) == 0x1105 and select.decode(0xFFFF_1105) == {"engine": 5, "counter": 17}
    assert REGISTERS["ring_base_lo"].field("base").mask == 0xFFFF_FF80
    with pytest.raises(FcimError, match="counter_select has no field 'core'; it has engine, counter"):
        select.encode(core=1)
    with pytest.raises(FcimError, match="counter_select.engine = 16 does not fit; use 0 to 15"):
        select.encode(engine=16)
