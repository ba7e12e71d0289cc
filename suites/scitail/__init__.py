"""SciTail on BERT-large."""
