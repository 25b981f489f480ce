// Non-owning views of row-major memory. The core never sees a Python object.
#pragma once

#include <cstddef>

namespace barren {

template <class T>
struct Vector {
    T* data = nullptr;
    std::size_t size = 0;

    T& operator[](std::size_t i) const { return data[i]; }
};

template <class T>
struct Matrix {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;

    T* row(std::size_t i) const { return data + i * columns; }
};

// A matrix whose rows are `stride` entries apart: a block of columns of a larger one.
template <class T>
struct StridedMatrix {
    const T* data = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::size_t stride = 0;

    const T* row(std::size_t i) const { return data + i * stride; }
};

}  // namespace barren
