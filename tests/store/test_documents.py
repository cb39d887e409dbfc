"""Documents that evaluations and people keep: plain JSON that every reader can read."""


def test_documents_hold_no_number_that_json_does_not_know(store):
    body = {"figures": {"kl": float("inf"), "gold": 1.5}, "rows": [{"score": float("nan")}], "n": 2}
    store.documents.put("note", "a", body)
    assert store.documents.get("note", "a") == {
        "figures": {"kl": None, "gold": 1.5},
        "rows": [{"score": None}],
        "n": 2,
    }


def test_a_document_that_an_earlier_version_wrote_with_nan_keeps_no_other_from_being_erased(store):
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO documents (kind, key, body, updated_at) VALUES "
            """('comparison', 'x@1~y@1~gold', '{"against": "y@1", "value": NaN}', 0)"""
        )
    for key, against in (("me@3~y@1~gold", "y@1"), ("y@1~me@3~gold", "me@3"), ("z@1~y@1", "y@1")):
        store.documents.put("comparison", key, {"against": against, "note": "not of me@3"})
    store.documents.remove_of("comparison", "me", after_step=3)
    assert len(store.documents.all("comparison")) == 4
    store.documents.remove_of("comparison", "me", after_step=2)
    left = {document.key for document in store.documents.all("comparison")}
    assert left == {"x@1~y@1~gold", "z@1~y@1"}
    store.documents.remove_of("comparison", "y")
    assert store.documents.all("comparison") == []
