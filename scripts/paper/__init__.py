"""The paper's claims beside what this project gives: ``make paper``."""
