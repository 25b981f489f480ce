// NumPy arrays to views and back. No conversion ever happens here: a wrong dtype, layout or alignment is refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "barren/errors.hpp"
#include "barren/threads.hpp"
#include "barren/view.hpp"
#include "stop.hpp"

namespace barren::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require_rank(const py::array& array, int rank, const char* name) {
    require(array.ndim() == rank, std::string(name) + " must have " + std::to_string(rank) + " dimension(s), got " +
                                      std::to_string(array.ndim()));
}

template <class T>
void require_aligned(const Array<T>& array, const char* name) {
    require(reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) == 0, std::string(name) + " must be aligned");
}

template <class T>
Vector<const T> vector_view(const Array<T>& array, const char* name) {
    require_rank(array, 1, name);
    require_aligned(array, name);
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
Matrix<const T> matrix_view(const Array<T>& array, const char* name) {
    require_rank(array, 2, name);
    require_aligned(array, name);
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1))};
}

// An array for an answer of several dimensions. pybind11 multiplies the sides to strides without a look at overflow,
// which an empty argument with a huge side is enough for: what no memory holds is refused before.
template <class T>
Array<T> new_array(std::initializer_list<py::ssize_t> shape) {
    auto bytes = static_cast<py::ssize_t>(sizeof(T));
    for (const auto side : shape) {
        if (side > std::numeric_limits<py::ssize_t>::max() / bytes) throw std::bad_alloc();
        bytes *= std::max<py::ssize_t>(side, 1);
    }
    return Array<T>(shape);
}

template <class T>
Vector<T> output(Array<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

inline Matrix<double> output_matrix(Array<double>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1))};
}

// A block of columns of a row-major matrix, without a copy.
template <class T>
StridedMatrix<T> strided_view(const py::array_t<T, 0>& array, const char* name) {
    require_rank(array, 2, name);
    const auto rows = array.shape(0), columns = array.shape(1);
    if (array.size() == 0)  // of which nothing is read, so that its strides mean nothing
        return {array.data(), static_cast<std::size_t>(rows), static_cast<std::size_t>(columns),
                static_cast<std::size_t>(columns)};
    constexpr auto size = static_cast<py::ssize_t>(sizeof(T));
    require(columns < 2 || array.strides(1) == size, std::string(name) + " must have contiguous rows");
    const auto stride = rows < 2 ? columns * size : array.strides(0);
    require(stride >= columns * size && stride % size == 0,
            std::string(name) + " must have rows in increasing order that do not overlap");
    require(reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) == 0, std::string(name) + " must be aligned");
    return {array.data(), static_cast<std::size_t>(rows), static_cast<std::size_t>(columns),
            static_cast<std::size_t>(stride / size)};
}

inline void require_writeable(const py::array& array, const char* name) {
    require(array.writeable(), std::string(name) + " must be writeable");
}

// What is written must not be read as well: the order of reading and writing, and so the answer, would be chance.
inline void require_apart(const py::array& out, const py::array& input, const char* name) {
    const auto extent = [](const py::array& array) {
        auto size = array.size() == 0 ? py::ssize_t{0} : array.itemsize();
        for (py::ssize_t axis = 0; size != 0 && axis < array.ndim(); ++axis)
            size += (array.shape(axis) - 1) * array.strides(axis);  // no array here has negative strides
        const auto begin = reinterpret_cast<std::uintptr_t>(array.data());
        return std::pair{begin, begin + static_cast<std::uintptr_t>(size)};
    };
    const auto written = extent(out), read = extent(input);
    require(written.first == written.second || read.first == read.second || written.second <= read.first ||
                read.second <= written.first,
            std::string("out must not share memory with ") + name);
}

// The object that a caller gave, which must be one: pybind11 hands None on as a null pointer.
template <class T>
T& made(const std::shared_ptr<T>& object, const char* name) {
    if (object == nullptr) throw py::type_error(std::string(name) + " must be an object of the core, got None");
    return *object;
}

inline std::uint64_t modulus_of(std::int64_t modulus) {
    require(modulus >= 1, "modulus must be at least 1");
    return static_cast<std::uint64_t>(modulus);
}

// The interpreter's signals are looked at from the calling thread; a pending Ctrl-C stays set as the Python error. A
// thread that obeys a Stop looks at that instead, and needs no GIL for it.
inline Execution execution(int threads) {
    require(threads >= 0 && threads <= 4096, "threads must be in 0..4096 (0: all that may be used)");
    checkpoint();  // a call may be too short to look again
    if (obeyed() != nullptr) return {threads, [stop = obeyed()] { return stop->is_set(); }};
    return {threads, [] {
                py::gil_scoped_acquire gil;
                return PyErr_CheckSignals() != 0;
            }};
}

}  // namespace barren::bindings
