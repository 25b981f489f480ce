#include "arrays.hpp"
#include "barren/dedekind.hpp"

namespace barren::bindings {
namespace {

Array<double> bound_dedekind_sums(const Array<std::int64_t>& h, const Array<std::int64_t>& c, std::int64_t k,
                                  int threads) {
    const auto h_view = vector_view(h, "h"), c_view = vector_view(c, "c");
    const auto modulus = modulus_of(k);
    const auto how = execution(threads);
    Array<double> out(h.size());
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        dedekind_sums(h_view, c_view, modulus, out_view, how);
    }
    return out;
}

Array<double> bound_dedekind_ratios(const Array<std::int64_t>& inverses, const Array<std::int64_t>& columns,
                                    std::int64_t k, std::int64_t a, std::int64_t b, int threads) {
    const auto rows_view = vector_view(inverses, "inverses"), columns_view = vector_view(columns, "columns");
    const auto modulus = modulus_of(k);
    require(a >= 0 && b >= 0, "shifts must lie in 0..k-1");
    const auto how = execution(threads);
    auto out = new_array<double>({inverses.size(), columns.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        dedekind_ratios(rows_view, columns_view, modulus, static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b),
                        out_view, how);
    }
    return out;
}

Array<double> bound_sawtooth_ratios(const Array<std::int64_t>& inverses, const Array<std::int64_t>& columns,
                                    std::int64_t k, std::int64_t shift, int threads) {
    const auto rows_view = vector_view(inverses, "inverses"), columns_view = vector_view(columns, "columns");
    const auto modulus = modulus_of(k);
    require(shift >= 0, "shift must lie in 0..k-1");
    const auto how = execution(threads);
    auto out = new_array<double>({inverses.size(), columns.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        sawtooth_ratios(rows_view, columns_view, modulus, static_cast<std::uint64_t>(shift), out_view, how);
    }
    return out;
}

}  // namespace

void register_dedekind(py::module_& module) {
    module.def("dedekind_sums", &bound_dedekind_sums, py::arg("h").noconvert(), py::arg("c").noconvert(), py::arg("k"),
               py::arg("threads") = 0,
               "12·sum over j of ((j/k))·(((h·j + c)/k)) for each h and c (empty: zeros), float64 of shape (len(h),).");
    module.def("dedekind_ratios", &bound_dedekind_ratios, py::arg("inverses").noconvert(),
               py::arg("columns").noconvert(), py::arg("k"), py::arg("a"), py::arg("b"), py::arg("threads") = 0,
               "12·sum over t of (((x·t + a)/k))·(((y·t + b)/k)) for the units x of these inverses and y = columns, "
               "float64 of shape (len(inverses), len(columns)).");
    module.def("sawtooth_ratios", &bound_sawtooth_ratios, py::arg("inverses").noconvert(),
               py::arg("columns").noconvert(), py::arg("k"), py::arg("shift"), py::arg("threads") = 0,
               "((inverse·column + shift)/k)), float64 of shape (len(inverses), len(columns)).");
}

}  // namespace barren::bindings
