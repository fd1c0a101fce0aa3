// SPDX-License-Identifier: Apache-2.0
#include "cli/app/screen.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

class ConsolePrompt final : public ops::Prompt {
  public:
    explicit ConsolePrompt(App& app) : app_(app) {}
    bool interactive() const override { return app_.console().can_ask() && !app_.global().no_input; }
    Result<bool> yes_no(std::string_view question) override
    {
        TRY_ASSIGN(const auto answer, app_.console().read_line(fmt::format("{} [y/N] ", question)));
        const auto word = to_lower(trim(answer));
        return word == "y" || word == "yes";
    }
    Result<std::string> line(std::string_view question) override
    {
        TRY_ASSIGN(const auto answer, app_.console().read_line(fmt::format("{} ", question)));
        return std::string(trim(answer));
    }

  private:
    App& app_;
};

// --progress json: one object a line on stderr, for programs that follow a change.
class JsonProgress final : public ops::Progress {
  public:
    explicit JsonProgress(App& app) : app_(app) {}
    void show(std::string_view text) override { line({{"event", "plan"}, {"text", text}}); }
    void tick(Mark mark, std::string_view what, std::string_view detail, Duration took) override
    {
        constexpr std::array names{"done", "failed", "note"};
        line({{"event", names.at(static_cast<std::size_t>(mark))},
              {"what", what},
              {"detail", detail},
              {"took_ms", took.count()}});
    }
    void waiting(std::string_view what, std::string_view detail) override
    {
        line({{"event", "waiting"}, {"what", what}, {"detail", detail}});
    }

  private:
    void line(const Json& object) { app_.console().err(dump_json(object) + "\n"); }
    App& app_;
};

} // namespace

std::unique_ptr<ops::Prompt> make_console_prompt(App& app)
{
    return std::make_unique<ConsolePrompt>(app);
}

std::unique_ptr<ops::Progress> make_console_progress(App& app)
{
    const auto& global = app.global();
    if (global.quiet || global.progress == ProgressMode::none)
        return std::make_unique<ops::NullProgress>();
    if (global.progress == ProgressMode::json)
        return std::make_unique<JsonProgress>(app);
    const bool redraw = global.progress == ProgressMode::automatic && app.console().err_is_terminal();
    return std::make_unique<ops::LineProgress>([&app](std::string_view text) { app.console().err(text); },
                                               redraw);
}

} // namespace conduit
