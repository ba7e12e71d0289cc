"""QNLI on BERT-large."""
