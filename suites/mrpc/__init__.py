"""MRPC on BERT-large."""
