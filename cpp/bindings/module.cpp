#include <pybind11/pybind11.h>

#include <exception>
#include <utility>

#include "barren/errors.hpp"
#include "barren/threads.hpp"

namespace barren::bindings {

void register_configuration(pybind11::module_& module);
void register_modular(pybind11::module_& module);
void register_dedekind(pybind11::module_& module);
void register_fold(pybind11::module_& module);
void register_frequencies(pybind11::module_& module);
void register_gram(pybind11::module_& module);
void register_gcd_matrix(pybind11::module_& module);
void register_group(pybind11::module_& module);
void register_responses(pybind11::module_& module);
void register_pairing(pybind11::module_& module);
void register_parity(pybind11::module_& module);
void register_tables(pybind11::module_& module);

}  // namespace barren::bindings

PYBIND11_MODULE(_core, module) {
    using namespace barren::bindings;
    module.doc() =
        "The compiled core of barren. Arguments are checked for memory safety only; call the package instead.";
    pybind11::register_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(std::move(error));
        } catch (const barren::Interrupted&) {
            // PyErr_CheckSignals has set the error already, unless a signal handler swallowed it.
            if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
        }
    });
    pybind11::register_local_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(std::move(error));
        } catch (const pybind11::cast_error&) {
            // The only cast that fails otherwise than by a TypeError: of an object made by __new__ without __init__.
            PyErr_SetString(PyExc_TypeError, "an object of the core must be made by its __init__");
        }
    });
    barren::watch_forks();
    register_configuration(module);
    register_modular(module);
    register_dedekind(module);
    register_fold(module);
    register_frequencies(module);
    register_gram(module);
    register_gcd_matrix(module);
    register_group(module);
    register_responses(module);
    register_pairing(module);
    register_parity(module);
    register_tables(module);
}
