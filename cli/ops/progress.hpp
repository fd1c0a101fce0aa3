// SPDX-License-Identifier: Apache-2.0
// What an engineer sees while a change runs: the plan, then one line for each thing that happened.
#pragma once

#include "core/duration.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace conduit::ops {

class Progress {
  public:
    enum class Mark { done, failed, note };

    virtual ~Progress() = default;
    virtual void show(std::string_view text) = 0; // whole lines: the plan's screen
    // One finished thing: "✓ written          revision 42          0.03 s".
    virtual void tick(Mark mark, std::string_view what, std::string_view detail, Duration took) = 0;
    // How far a wait has got. A terminal redraws it; elsewhere only a changed text is a new line.
    virtual void waiting(std::string_view what, std::string_view detail) = 0;
};

class NullProgress final : public Progress {
  public:
    void show(std::string_view) override {}
    void tick(Mark, std::string_view, std::string_view, Duration) override {}
    void waiting(std::string_view, std::string_view) override {}
};

// Whole lines to a sink. With redraw the line of a wait replaces the one before it.
class LineProgress final : public Progress {
  public:
    using Sink = std::function<void(std::string_view)>;
    explicit LineProgress(Sink sink, bool redraw = false) : sink_(std::move(sink)), redraw_(redraw) {}
    ~LineProgress() override;
    LineProgress(const LineProgress&) = delete;
    LineProgress& operator=(const LineProgress&) = delete;
    void show(std::string_view text) override;
    void tick(Mark mark, std::string_view what, std::string_view detail, Duration took) override;
    void waiting(std::string_view what, std::string_view detail) override;

  private:
    void clear_wait();
    Sink sink_;
    bool redraw_;
    std::string wait_;
};

} // namespace conduit::ops
