// Blocks of a layer's tangent kernel from the factors of its gradients (docs/theory, section 3.3), in one pass.
#pragma once

#include <cstddef>
#include <memory>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// A matrix M regrouped for products M·M'ᵀ: once as rows of a block and once as its columns. Built once, used for every
// block; it does not refer to the matrix afterwards.
template <class T>
class PackedFactor {
  public:
    PackedFactor(Matrix<const T> matrix, const Execution& execution);
    ~PackedFactor();
    PackedFactor(PackedFactor&&) noexcept;

    std::size_t rows() const { return rows_; }
    std::size_t width() const { return width_; }
    struct Data;
    const Data& data() const { return *data_; }

  private:
    std::size_t rows_, width_;
    std::unique_ptr<Data> data_;
};

// The mean row of a matrix, summed in float64 in an order that depends on the shape alone.
template <class T>
void column_means(Matrix<const T> rows, Vector<double> out, const Execution& execution);

// out[t·T + s, i] = rows_t[i]·vectors[s] in float64, for rows (n, T·w) of T positions each, and T vectors of w entries.
template <class T>
void cross_products(Matrix<const T> rows, Matrix<const double> vectors, Matrix<double> out, const Execution& execution);

// One factor of a block: (M_t M_sᵀ)[i, j] = left_i·right_j + left_terms[i] + right_terms[j] + constant.
template <class T>
struct GramFactor {
    const PackedFactor<T>* left = nullptr;
    const PackedFactor<T>* right = nullptr;
    Vector<const double> left_terms, right_terms;
    double constant = 0.0;
};

struct Range {
    std::size_t begin = 0, end = 0;
    std::size_t size() const { return end - begin; }
};

// out[i − rows.begin, j − columns.begin] = Π_f (M_f M_fᵀ)[i, j] over `count` factors, 1 or 2; added to out if
// `accumulate`. If `reduced`, less what depends on i alone or on j alone, without ever adding it: where that is nearly
// all of an entry, the rest keeps its digits. Products are summed in T over runs of 256 entries, the runs in float64:
// an entry does not depend on the ranges or on the number of threads.
template <class T>
void gram_block(const GramFactor<T>* factors, std::size_t count, Range rows, Range columns, bool accumulate,
                bool reduced, Matrix<double> out, const Execution& execution);

}  // namespace barren
