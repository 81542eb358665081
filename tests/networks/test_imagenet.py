from confemb.records.imagenet import imagenet_classes


def test_there_are_1000_classes_in_the_published_order():
    classes = imagenet_classes()
    assert [c.index for c in classes] == list(range(1000))
    # WordNet's ids happen to be in order too: that is how the order was made.
    assert [c.wnid for c in classes] == sorted({c.wnid for c in classes})
    some = {0: "tench", 207: "golden retriever", 281: "tabby", 404: "airliner", 817: "sports car", 999: "toilet tissue"}
    assert {index: classes[index].name for index in some} == some
    assert classes[281].wnid == "n02123045"


def test_names_are_unique_even_to_a_reader_who_overlooks_capitals():
    classes = imagenet_classes()
    assert len({c.name.lower() for c in classes}) == 1000
    assert all(c.name == c.name.strip() and "," not in c.name for c in classes)
    assert (classes[134].name, classes[517].name) == ("crane (bird)", "crane (machine)")
