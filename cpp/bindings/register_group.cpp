#include "arrays.hpp"
#include "barren/group.hpp"

namespace barren::bindings {
namespace {

Array<std::int64_t> bound_power_table(std::int64_t root, std::int64_t p, int threads) {
    const auto m = modulus_of(p);
    require(m >= 2, "p must be at least 2");
    require(root >= 0, "root must not be negative");
    const auto how = execution(threads);
    Array<std::int64_t> out(static_cast<py::ssize_t>(m - 1));
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        power_table(static_cast<std::uint64_t>(root), m, out_view, how);
    }
    return out;
}

Array<std::int64_t> bound_power_range(std::int64_t root, std::int64_t first, std::int64_t count, std::int64_t p,
                                      int threads) {
    const auto m = modulus_of(p);
    require(root >= 0 && first >= 0 && count >= 0, "root, first and count must not be negative");
    const auto how = execution(threads);
    Array<std::int64_t> out(static_cast<py::ssize_t>(count));
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        power_range(static_cast<std::uint64_t>(root), static_cast<std::uint64_t>(first), m, out_view, how);
    }
    return out;
}

Array<std::int64_t> bound_logarithm_table(const Array<std::int64_t>& powers, std::int64_t p) {
    const auto view = vector_view(powers, "powers");
    const auto m = modulus_of(p);
    require(view.size == m - 1, "powers must have p-1 entries");
    Array<std::int64_t> out(static_cast<py::ssize_t>(m));
    const auto out_view = output(out);
    const auto how = execution(1);
    {
        py::gil_scoped_release release;
        logarithm_table(view, m, out_view, how);
    }
    return out;
}

}  // namespace

void register_group(py::module_& module) {
    module.def("power_table", &bound_power_table, py::arg("root"), py::arg("p"), py::arg("threads") = 0,
               "root**i modulo p for i = 0..p-2, int64 of shape (p-1,).");
    module.def("power_range", &bound_power_range, py::arg("root"), py::arg("first"), py::arg("count"), py::arg("p"),
               py::arg("threads") = 0, "root**(first + i) modulo p for i = 0..count-1, int64 of shape (count,).");
    module.def("logarithm_table", &bound_logarithm_table, py::arg("powers").noconvert(), py::arg("p"),
               "The inverse of power_table: int64 of shape (p,), -1 at 0.");
}

}  // namespace barren::bindings
