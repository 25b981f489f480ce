#include "barren/responses.hpp"

#include "barren/errors.hpp"
#include "family.hpp"
#include "sums.hpp"

namespace barren {

void values(const Family<double>& family, Matrix<double> out, const Execution& execution) {
    check(family, execution);
    require(out.rows == family.multipliers.size && out.columns == family.points.size,
            "out must have a row a multiplier and a column a point");
    values_of(Groups<double>(family), out, execution);
}

template <class T>
void responses(const Family<T>& family, Vector<const double> weights, Matrix<const T> jacobian, Matrix<double> out,
               const Execution& execution) {
    check(family, execution);
    const std::size_t members = family.multipliers.size, points = family.points.size;
    responses_of(Groups<T>(family), members, points, weights, jacobian, out, execution);
}

template <class T>
void quadratic_forms(const Family<T>& family, Vector<const double> offset, Matrix<const T> ntk, Vector<double> out,
                     const Execution& execution) {
    check(family, execution);
    const std::size_t members = family.multipliers.size, points = family.points.size;
    quadratic_forms_of(Groups<T>(family), members, points, offset, ntk, out, execution);
}

template void responses(const Family<float>&, Vector<const double>, Matrix<const float>, Matrix<double>,
                        const Execution&);
template void responses(const Family<double>&, Vector<const double>, Matrix<const double>, Matrix<double>,
                        const Execution&);
template void quadratic_forms(const Family<float>&, Vector<const double>, Matrix<const float>, Vector<double>,
                              const Execution&);
template void quadratic_forms(const Family<double>&, Vector<const double>, Matrix<const double>, Vector<double>,
                              const Execution&);

}  // namespace barren
