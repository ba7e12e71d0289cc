"""RTE on BERT-large."""
