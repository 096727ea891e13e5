"""The scene model: pictures and sounds as places in the text embedding's space, without training on captions.

Its teachers are a classifier and a sound tagger. What they find likely, weighed by the text embeddings of its names, is
a place in the text space (ConSE, https://arxiv.org/abs/1312.5650); the student gives that place in one small graph.
"""
