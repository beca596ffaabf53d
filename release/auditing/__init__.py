"""What models and items are worth for routing: detectors, each beside what chance gives."""
