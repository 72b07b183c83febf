from pathlib import Path

import numpy as np

from anymask.dataset.validation.ids import IdLedger


def test_numbers_that_come_again_are_found(tmp_path: Path) -> None:
    ledger = IdLedger(tmp_path)
    rng = np.random.default_rng(0)
    ids = rng.permutation(1 << 20)[:30_000]
    for shard, part in enumerate(np.array_split(ids, 3)):
        ledger.add(part, shard)
    assert not list(ledger.duplicates())
    ledger.add(ids[[5, 29_999]], 3)
    ledger.add(ids[[5]], 1)
    found = {(number, first, second) for number, first, second in ledger.duplicates()}
    assert found == {(ids[5], 0, 1), (ids[5], 1, 3), (ids[29_999], 2, 3)}


def test_the_numbers_are_spread_over_files(tmp_path: Path) -> None:
    ledger = IdLedger(tmp_path)
    ledger.add(np.arange(64_000) << 16, 0)
    sizes = [file.stat().st_size // 12 for file in tmp_path.iterdir()]
    assert len(sizes) == 64
    assert max(sizes) < 3_000
