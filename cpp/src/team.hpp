// The threads under parallel_for: those of OpenMP, or of the standard library where the core is built without it
// (BARREN_OPENMP in CMakeLists.txt).
#pragma once

#include <functional>

namespace barren {

// Processors that this process may run on, now.
int processors() noexcept;

// How many threads a team has when nobody says it: what OMP_NUM_THREADS allows, else one a processor of this process.
int team_limit();

// Calls work(worker) for workers 0, 1, … at once and returns when all have returned. Worker 0 is the calling thread.
// There may be fewer workers than asked for, where the system has no more threads to give. `work` must not throw.
void run_team(int workers, const std::function<void(int worker)>& work);

}  // namespace barren
