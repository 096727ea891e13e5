"""Ready parts of a bundle: each takes a Part, holds its graphs, and turns samples into what they mean."""
