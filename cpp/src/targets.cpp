#include "barren/targets.hpp"

#include <array>
#include <utility>

namespace barren {

Formula formula_of(const std::string& name) {
    static constexpr std::array<std::pair<const char*, Formula>, 7> names{{{"table", Formula::table},
                                                                           {"sawtooth", Formula::sawtooth},
                                                                           {"cosine", Formula::cosine},
                                                                           {"bit", Formula::bit},
                                                                           {"threshold", Formula::threshold},
                                                                           {"square", Formula::square},
                                                                           {"triangle", Formula::triangle}}};
    for (const auto& [known, formula] : names)
        if (name == known) return formula;
    throw std::invalid_argument("unknown formula '" + name + "'");
}

}  // namespace barren
