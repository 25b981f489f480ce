#include "arrays.hpp"
#include "barren/parity.hpp"

namespace barren::bindings {
namespace {

void bound_walsh_hadamard(Array<double>& rows, int threads) {
    require_rank(rows, 2, "rows");
    require_writeable(rows, "rows");
    require_aligned(rows, "rows");
    const auto view = output_matrix(rows);
    const auto how = execution(threads);
    py::gil_scoped_release release;
    walsh_hadamard(view, how);
}

template <auto Count>
Array<std::uint8_t> bound_pairs(const Array<std::int64_t>& x, const Array<std::int64_t>& y, int threads) {
    const auto left = vector_view(x, "x"), right = vector_view(y, "y");
    const auto how = execution(threads);
    auto out = new_array<std::uint8_t>({x.size(), y.size()});
    const Matrix<std::uint8_t> view{out.mutable_data(), left.size, right.size};
    {
        py::gil_scoped_release release;
        Count(left, right, view, how);
    }
    return out;
}

}  // namespace

void register_parity(py::module_& module) {
    module.def("walsh_hadamard", &bound_walsh_hadamard, py::arg("rows").noconvert(), py::arg("threads") = 0,
               "rows[v] <- sum over x of (-1)^<v,x>·rows[x], in place; float64, a power of two of rows.");
    module.def("common_ones", &bound_pairs<&common_ones>, py::arg("x").noconvert(), py::arg("y").noconvert(),
               py::arg("threads") = 0, "how many ones x[i] and y[j] have in common, uint8 of shape (n, m).");
    module.def("distances", &bound_pairs<&distances>, py::arg("x").noconvert(), py::arg("y").noconvert(),
               py::arg("threads") = 0, "in how many bits x[i] and y[j] differ, uint8 of shape (n, m).");
}

}  // namespace barren::bindings
