#include "arrays.hpp"
#include "barren/responses.hpp"

namespace barren::bindings {
namespace {

template <class T>
Family<T> family(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points, std::int64_t modulus,
                 const std::string& formula, std::int64_t parameter, const Array<T>& table, double shift = 0.0) {
    require(parameter >= 0, "parameter must not be negative");
    return {vector_view(multipliers, "multipliers"),
            vector_view(points, "points"),
            modulus_of(modulus),
            {formula_of(formula), static_cast<std::uint64_t>(parameter), vector_view(table, "table"), shift}};
}

Array<double> bound_values(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                           std::int64_t modulus, const std::string& formula, std::int64_t parameter,
                           const Array<double>& table, int threads) {
    const auto members = family<double>(multipliers, points, modulus, formula, parameter, table);
    const auto how = execution(threads);
    auto out = new_array<double>({multipliers.size(), points.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        values(members, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_responses(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                              std::int64_t modulus, const std::string& formula, std::int64_t parameter,
                              const Array<T>& table, const Array<double>& weights, const Array<T>& jacobian,
                              int threads, double shift) {
    const auto members = family<T>(multipliers, points, modulus, formula, parameter, table, shift);
    const auto weights_view = vector_view(weights, "weights");
    const auto jacobian_view = matrix_view(jacobian, "jacobian");
    const auto how = execution(threads);
    auto out = new_array<double>({multipliers.size(), jacobian.shape(1)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        responses(members, weights_view, jacobian_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_correlations(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                                 std::int64_t modulus, const Array<std::int64_t>& powers, const Array<T>& table,
                                 const Array<double>& weights, const Array<T>& jacobian, int threads) {
    const auto members = family<T>(multipliers, points, modulus, "table", 0, table);
    const auto powers_view = vector_view(powers, "powers");
    const auto weights_view = vector_view(weights, "weights");
    const auto jacobian_view = matrix_view(jacobian, "jacobian");
    const auto how = execution(threads);
    auto out = new_array<double>({multipliers.size(), jacobian.shape(1)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        correlations(members, powers_view, weights_view, jacobian_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_quadratic_forms(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                                    std::int64_t modulus, const std::string& formula, std::int64_t parameter,
                                    const Array<T>& table, const Array<double>& offset, const Array<T>& ntk,
                                    int threads, double shift) {
    const auto members = family<T>(multipliers, points, modulus, formula, parameter, table, shift);
    const auto offset_view = vector_view(offset, "offset");
    const auto ntk_view = matrix_view(ntk, "ntk");
    const auto how = execution(threads);
    Array<double> out(multipliers.size());
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        quadratic_forms(members, offset_view, ntk_view, out_view, how);
    }
    return out;
}

template <class T>
void register_for(py::module_& module) {
    module.def("responses", &bound_responses<T>, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
               py::arg("modulus"), py::arg("formula"), py::arg("parameter"), py::arg("table").noconvert(),
               py::arg("weights").noconvert(), py::arg("jacobian").noconvert(), py::arg("threads") = 0,
               py::arg("shift") = 0.0,
               "sum over x of weights[x]·ψ(a·x mod m)·jacobian[x], float64 of shape (members, columns); `shift` is "
               "taken off a ψ that has no table. Factors are rounded to the dtype of the Jacobian.");
    module.def("correlations", &bound_correlations<T>, py::arg("multipliers").noconvert(),
               py::arg("points").noconvert(), py::arg("modulus"), py::arg("powers").noconvert(),
               py::arg("table").noconvert(), py::arg("weights").noconvert(), py::arg("jacobian").noconvert(),
               py::arg("threads") = 0,
               "responses of distinct multipliers for a prime modulus whose units are `powers` of one root, and for a "
               "table of finite numbers.");
    module.def(
        "quadratic_forms", &bound_quadratic_forms<T>, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
        py::arg("modulus"), py::arg("formula"), py::arg("parameter"), py::arg("table").noconvert(),
        py::arg("offset").noconvert(), py::arg("ntk").noconvert(), py::arg("threads") = 0, py::arg("shift") = 0.0,
        "(ψ_a − offset)ᵀ·ntk·(ψ_a − offset) for a symmetric ntk, float64 of shape (members,); ψ_a and offset are "
        "rounded to the dtype of ntk.");
}

}  // namespace

void register_responses(py::module_& module) {
    module.def("values", &bound_values, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
               py::arg("modulus"), py::arg("formula"), py::arg("parameter"), py::arg("table").noconvert(),
               py::arg("threads") = 0, "ψ(a·x mod m), float64 of shape (members, points).");
    register_for<float>(module);
    register_for<double>(module);
}

}  // namespace barren::bindings
