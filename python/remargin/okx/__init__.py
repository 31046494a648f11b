"""Fetches the answers of OKX that ``remargin import okx`` reads.

    python -m remargin.okx capture --out FOLDER [--accounts FILE] [--probes DIR]

Needs httpx: ``pip install remargin[okx]``. From Python, see :func:`remargin.okx.capture.capture`.

The command ``remargin`` itself has no network. Keys come from the environment alone. They are sent to the exchange, and
never written, logged, put into an error or given on a command line.
"""
