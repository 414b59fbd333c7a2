"""The machinery: declaring operations, dispatching and recording them, sweeping back. It knows no operation."""
