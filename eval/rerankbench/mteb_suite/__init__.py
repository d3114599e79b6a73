"""Embedders and rerankers of ours as models of the package mteb, which brings tasks, evaluation and result files. Needs the extra mteb.

mteb does what it does well; what is added is what a model reads (`reading`), one embedding a text (`encoder`), candidate lists for
rankers (`reranker`), and a revision that changes with everything that decides a score (`identity`).
"""
