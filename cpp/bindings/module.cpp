#include <pybind11/pybind11.h>

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

namespace {

// NumPy's state is one for the whole process, and so is what this core knows of forks and instruction sets. From
// CPython 3.12 on most sub-interpreters are refused before this is reached.
void refuse_other_interpreters() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        throw pybind11::import_error(
            "barren cannot be imported in a sub-interpreter, for it and NumPy have one state for the whole process: "
            "import it in the main interpreter (under mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or use processes");
}

}  // namespace
}  // namespace barren::bindings

PYBIND11_MODULE(_core, module, pybind11::multiple_interpreters::not_supported()) {
    using namespace barren::bindings;
    refuse_other_interpreters();
    module.doc() =
        "The compiled core of barren. Arguments are checked for memory safety only; call the package instead.";
    pybind11::register_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const barren::Interrupted&) {
            // PyErr_CheckSignals has set the error already, unless a signal handler swallowed it.
            if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
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
