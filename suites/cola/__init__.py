"""CoLA on BERT-large."""
