"""COCO: one JSON file of instances for each split."""
