"""Bandwidth options for any place on Earth.

The package is the code of a Lambda layer: it lies in ``/opt/python/bandwidth`` and reads its tables from
``/opt/bandwidth``. It uses the standard library only.

    from bandwidth import catalogue
    answer = catalogue.look_up({"city": "Lisbon", "country": "PT"})
"""
