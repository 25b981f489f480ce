// One parallel loop for the whole core: it carries exceptions out of workers, obeys Ctrl-C, and runs serially in a
// forked child.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>

namespace barren {

// How a call is to be executed. `threads` = 0 means every thread the process may use. `poll` is called from the
// calling thread only, a few times a second; true means stop.
struct Execution {
    int threads = 0;
    std::function<bool()> poll;
};

// Handed to every task. Long tasks call checkpoint() between short pieces of work.
class Progress {
  public:
    explicit Progress(const Execution& execution) : execution_(execution) {}

    // Throws Interrupted once a stop was asked for or another task failed.
    void checkpoint(int worker);
    void stop() { stopped_.store(true, std::memory_order_relaxed); }
    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  private:
    const Execution& execution_;
    std::atomic<bool> stopped_{false};
    std::chrono::steady_clock::time_point polled_ = std::chrono::steady_clock::now();
};

// The number of workers that parallel_for will use for this many tasks; at least 1, and at most 64 or four a processor.
int workers_for(std::size_t tasks, const Execution& execution);

// The same with no more threads than so much work is worth, given as the caller's estimate of the nanoseconds that it
// takes on one thread: a worker is woken for a millisecond of it at least, since on a busy machine waking one takes
// milliseconds. Blocks depend on the problem alone, so results keep their bits.
Execution worth(const Execution& execution, double nanoseconds);

// Calls body(task, worker, progress) once for every task in 0..tasks-1. Which worker runs which task is not
// determined, so a task must write only what is its own; then results have the same bits for any number of threads.
using Body = std::function<void(std::size_t task, int worker, Progress& progress)>;
void parallel_for(std::size_t tasks, const Execution& execution, const Body& body);

// Calls body(i) for i in 0..size-1 in order on the calling thread, which obeys Ctrl-C between blocks.
template <class Each>
void serial_for(std::size_t size, const Execution& execution, const Each& body) {
    constexpr std::size_t block = std::size_t{1} << 16;
    Progress progress(execution);
    for (std::size_t first = 0; first < size; first += block) {
        progress.checkpoint(0);
        for (std::size_t i = first; i < size && i < first + block; ++i) body(i);
    }
}

// Every thread the process may use: what OpenMP was told, and no more than the processors it is confined to since.
int available_threads();

// libgomp hangs for ever in a child forked after the parent used it, so children are noted and run serially: by
// themselves from watch_forks() on, by note_fork() where the fork came before.
void watch_forks();
void note_fork();
bool in_forked_child();

}  // namespace barren
