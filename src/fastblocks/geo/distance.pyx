"""Great-circle distances, bearings and destinations on a sphere of the Earth's mean radius."""

from fastblocks._core import check

from fastblocks._core.arrays cimport data_of
from fastblocks._core.columns cimport Batch, is_latlng, plain_double
from fastblocks._core.cpu cimport fb_cpu_level

cdef extern from "geo/distance.h" nogil:
    void fb_haversine(
        const double *lat1, const double *lng1, const double *lat2, const double *lng2, size_t n,
        double *out)
    void fb_bearing(
        const double *lat1, const double *lng1, const double *lat2, const double *lng2, size_t n,
        double *out)
    void fb_destination(
        const double *lat, const double *lng, const double *bearing, const double *metres,
        size_t n, double *lat_out, double *lng_out)
    void fb_distance_matrix(
        const double *lat1, const double *lng1, size_t n, const double *lat2, const double *lng2,
        size_t m, double *out)

__all__ = ["bearing", "destination", "distance_matrix", "haversine"]


cdef struct Pair:
    double lat1, lng1, lat2, lng2


cdef inline bint plain_pair(
    object lat1, object lng1, object lat2, object lng2, Pair *pair
) noexcept:
    """Whether two points are plain numbers in range; then the numbers."""
    return (
        plain_double(lat1, &pair.lat1) and plain_double(lng1, &pair.lng1)
        and plain_double(lat2, &pair.lat2) and plain_double(lng2, &pair.lng2)
        and is_latlng(pair.lat1, pair.lng1) and is_latlng(pair.lat2, pair.lng2)
    )


ctypedef void (*pairs_t)(
    const double *, const double *, const double *, const double *, size_t, double *
) noexcept nogil


cdef object of_pairs(
    object lat1, object lng1, object lat2, object lng2, object out, pairs_t function
):
    cdef Batch batch = Batch()
    batch.latitudes("lat1", lat1)
    batch.longitudes("lng1", lng1)
    batch.latitudes("lat2", lat2)
    batch.longitudes("lng2", lng2)
    result = batch.result(out, "float64")
    cdef const double *y1 = <const double *>batch.data(0)
    cdef const double *x1 = <const double *>batch.data(1)
    cdef const double *y2 = <const double *>batch.data(2)
    cdef const double *x2 = <const double *>batch.data(3)
    cdef double *answers = <double *>data_of(result)
    cdef size_t n = batch.n
    with nogil:
        function(y1, x1, y2, x2, n, answers)
    return batch.give(result, out)


def haversine(lat1, lng1, lat2, lng2, *, out=None):
    """Return the great-circle distance of two points in metres.

    Parameters
    ----------
    lat1 : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng1 : float or array of floats
        Degrees, finite.
    lat2 : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng2 : float or array of floats
        Degrees, finite.
    out : ndarray of float64, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    float, or array of float64
        On a sphere of radius 6371008.8 m. For arrays, of their broadcast shape; for columns of pandas,
        polars or pyarrow a column of theirs.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a coordinate is out of range, or a column holds nulls.

    Notes
    -----
    Within a few units of the last place of the exact value, for points that nearly coincide and for those
    nearly opposite too; the same bits on every platform. The Earth is no sphere: up to 0.6 % off the
    geodesic of the WGS84 ellipsoid.

    Examples
    --------
    >>> from fastblocks.geo import distance
    >>> round(distance.haversine(38.71, -9.14, 52.52, 13.41))
    2313482
    >>> distance.haversine(38.71, -9.14, [52.52, 48.86], [13.41, 2.35]).round()
    array([2313482., 1454250.])
    """
    cdef Pair p
    cdef double answer
    if out is None and plain_pair(lat1, lng1, lat2, lng2, &p):
        fb_haversine(&p.lat1, &p.lng1, &p.lat2, &p.lng2, 1, &answer)
        return answer
    return of_pairs(lat1, lng1, lat2, lng2, out, fb_haversine)


def bearing(lat1, lng1, lat2, lng2, *, out=None):
    """Return the direction in which the great circle from one point to another sets out.

    Parameters
    ----------
    lat1 : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng1 : float or array of floats
        Degrees, finite.
    lat2 : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng2 : float or array of floats
        Degrees, finite.
    out : ndarray of float64, optional
        Where to write the answers for arrays; C-contiguous and writable.

    Returns
    -------
    float, or array of float64
        Degrees clockwise from north, in ``[0, 360)``; 0 where the points are the same. At a pole, as
        seen along the meridian of its longitude.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a coordinate is out of range, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import distance
    >>> distance.bearing(0, 0, 0, 10)
    90.0
    >>> round(distance.bearing(38.71, -9.14, 52.52, 13.41), 3)
    41.068
    """
    cdef Pair p
    cdef double answer
    if out is None and plain_pair(lat1, lng1, lat2, lng2, &p):
        fb_bearing(&p.lat1, &p.lng1, &p.lat2, &p.lng2, 1, &answer)
        return answer
    return of_pairs(lat1, lng1, lat2, lng2, out, fb_bearing)


def destination(lat, lng, bearing, distance):
    """Return the point that is reached by going straight on from a point.

    Parameters
    ----------
    lat : float or array of floats
        Degrees, in ``[-90, 90]``.
    lng : float or array of floats
        Degrees, finite.
    bearing : float or array of floats
        In which direction: degrees clockwise from north, finite.
    distance : float or array of floats
        How far along the great circle: metres, finite; below 0: backwards.

    Returns
    -------
    lat, lng : float, or array of float64
        Degrees, in ``[-90, 90]`` and ``[-180, 180)``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, or a column holds nulls.

    Examples
    --------
    >>> from fastblocks.geo import distance
    >>> lat, lng = distance.destination(38.71, -9.14, 41.0676, 2313482)
    >>> round(lat, 2), round(lng, 2)
    (52.52, 13.41)
    """
    cdef Pair p
    cdef double y, x
    if plain_double(lat, &p.lat1) and plain_double(lng, &p.lng1) and is_latlng(p.lat1, p.lng1):
        if plain_double(bearing, &p.lat2) and plain_double(distance, &p.lng2):
            if is_latlng(0, p.lat2) and is_latlng(0, p.lng2):
                fb_destination(&p.lat1, &p.lng1, &p.lat2, &p.lng2, 1, &y, &x)
                return y, x
    cdef Batch batch = Batch()
    batch.latitudes("lat", lat)
    batch.longitudes("lng", lng)
    batch.finite("bearing", bearing)
    batch.finite("distance", distance)
    lats, lngs = batch.result(None, "float64"), batch.result(None, "float64")
    cdef const double *ys = <const double *>batch.data(0)
    cdef const double *xs = <const double *>batch.data(1)
    cdef const double *ways = <const double *>batch.data(2)
    cdef const double *metres = <const double *>batch.data(3)
    cdef double *to_lat = <double *>data_of(lats)
    cdef double *to_lng = <double *>data_of(lngs)
    cdef size_t n = batch.n
    with nogil:
        fb_destination(ys, xs, ways, metres, n, to_lat, to_lng)
    return batch.give(lats, None), batch.give(lngs, None)


def distance_matrix(lat1, lng1, lat2=None, lng2=None, *, out=None):
    """Return the great-circle distances of all points of one set to all of another in metres.

    Parameters
    ----------
    lat1 : 1-D array of floats
        Degrees, in ``[-90, 90]``.
    lng1 : 1-D array of floats
        Degrees, finite.
    lat2 : 1-D array of floats, optional
        Of the second set; without it the first one is taken twice.
    lng2 : 1-D array of floats, optional
        Of the second set; given if `lat2` is.
    out : ndarray of float64, shape (n, m), optional
        Where to write the answers; C-contiguous and writable.

    Returns
    -------
    ndarray of float64, shape (n, m)
        ``result[i, k] == haversine(lat1[i], lng1[i], lat2[k], lng2[k])``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a coordinate is out of range, a column holds nulls, or the points are not 1-D.

    Examples
    --------
    >>> from fastblocks.geo import distance
    >>> distance.distance_matrix([0, 0], [0, 90]).round()
    array([[       0., 10007557.],
           [10007557.,        0.]])
    """
    cdef Batch rows = Batch()
    cdef Batch columns = Batch()
    rows.latitudes("lat1", lat1)
    rows.longitudes("lng1", lng1)
    check.given_together("lat2", lat2, "lng2", lng2)
    columns.latitudes("lat2", lat1 if lat2 is None else lat2)
    columns.longitudes("lng2", lng1 if lng2 is None else lng2)
    rows.broadcast()
    columns.broadcast()
    check.one_dimension("lat1, lng1", rows.shape)
    check.one_dimension("lat2, lng2", columns.shape)
    result = rows.scratch(out, "float64", columns.shape)
    cdef const double *y1 = <const double *>rows.data(0)
    cdef const double *x1 = <const double *>rows.data(1)
    cdef const double *y2 = <const double *>columns.data(0)
    cdef const double *x2 = <const double *>columns.data(1)
    cdef double *answers = <double *>data_of(result)
    with nogil:
        fb_distance_matrix(y1, x1, rows.n, y2, x2, columns.n, answers)
    return rows.give(result, out)


# ---- for compiled code ---------------------------------------------------------------------------


cdef double metres_between(double lat1, double lng1, double lat2, double lng2) noexcept nogil:
    cdef double metres
    fb_haversine(&lat1, &lng1, &lat2, &lng2, 1, &metres)
    return metres


fb_cpu_level()
