#include "arrays.hpp"
#include "barren/modular.hpp"

namespace barren::bindings {
namespace {

Array<std::int64_t> bound_powers(std::int64_t base, const Array<std::int64_t>& exponents, std::int64_t modulus,
                                 int threads) {
    const auto view = vector_view(exponents, "exponents");
    const auto m = modulus_of(modulus);
    require(base >= 0, "base must not be negative");
    const auto how = execution(threads);
    Array<std::int64_t> out(exponents.size());
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        powers(static_cast<std::uint64_t>(base), view, m, out_view, how);
    }
    return out;
}

}  // namespace

void register_modular(py::module_& module) {
    module.def("powers", &bound_powers, py::arg("base"), py::arg("exponents").noconvert(), py::arg("modulus"),
               py::arg("threads") = 0, "base**exponents modulo modulus, exponents int64 of shape (n,).");
}

}  // namespace barren::bindings
