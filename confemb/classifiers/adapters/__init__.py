"""Adapters: classifiers of other libraries as a `confemb.classifiers.classification.Classifier`.

Each one is imported when it is first used and holds no more than one batch of inputs.
"""
