from tf_pseudolabel.lab.data import caching


def test_a_container_has_no_more_than_its_limit(monkeypatch):
    words = {
        "/proc/meminfo": ["MemAvailable:", "1000", "kB"],
        "/sys/fs/cgroup/memory.max": ["max"],
        "/sys/fs/cgroup/memory.current": ["300"],
    }
    monkeypatch.setattr(caching, "_words", lambda path: words.get(path, []))
    assert caching.free_memory() == 1_024_000
    words["/sys/fs/cgroup/memory.max"] = ["900"]
    assert caching.free_memory() == 600
    words.clear()
    assert caching.free_memory() > 0
