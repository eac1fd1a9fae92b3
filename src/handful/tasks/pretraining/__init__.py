"""`handful pretrain`: from unlabelled examples to a backbone in a folder."""
