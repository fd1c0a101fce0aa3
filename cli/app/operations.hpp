// SPDX-License-Identifier: Apache-2.0
// The operation engine, wired for one run of the program: its journal, locks, reversals, prompt and screen.
#pragma once

#include "cli/app/app.hpp"
#include "cli/ops/engine.hpp"
#include "cli/ops/reversal.hpp"
#include "cli/ops/target.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace conduit {

class Operations final : public ops::TargetFinder {
  public:
    // How a target of a kind is made for the context of this run ("agent", "local").
    using Maker = std::function<Result<std::unique_ptr<ops::Target>>(App&)>;

    explicit Operations(App& app);
    ~Operations() override;

    void add_target(const std::string& kind, Maker maker);
    Result<ops::Target*> target(const std::string& kind);
    Result<ops::Target*> find(const std::string& kind, const std::string& identity) override;

    Result<Report> change(const ops::Intent& intent, const ops::ChangeOptions& options);
    Result<Report> undo(std::string_view id, const ops::ChangeOptions& options);
    Result<Report> resume(std::string_view id, const ops::ChangeOptions& options);
    Result<ops::Served> serve_reversals_once();

    void
    set_locks(std::unique_ptr<ops::LockStore> locks); // those of the context, where they are not files here
    // Where the context keeps its records beside this machine; it must live as long as this.
    void set_records(ops::JournalMirror& mirror, ops::ReversalStore& reversals);
    void set_crash_points(std::unique_ptr<ops::CrashPoints> points); // tests only

    ops::Journal& journal() { return *journal_; }
    ops::LockStore& locks() { return *locks_; }
    ops::ReversalStore& reversals() { return *reversals_; }

  private:
    Result<ops::Host> host(const ops::ChangeOptions& options);

    App& app_;
    std::unique_ptr<ops::Journal> journal_;
    std::unique_ptr<ops::LockStore> locks_;
    std::unique_ptr<ops::ReversalStore> folder_;
    ops::ReversalStore* reversals_; // folder_, or what set_records named
    std::unique_ptr<ops::Prompt> prompt_;
    std::unique_ptr<ops::Progress> progress_;
    std::unique_ptr<ops::CrashPoints> crash_;
    std::map<std::string, Maker> makers_;
    std::map<std::string, std::unique_ptr<ops::Target>> targets_;
};

fs::path lock_folder(App& app);
// Where the reversals of the context are kept: in the target, so that whoever serves it finds them.
fs::path reversal_folder(App& app, const Context& context);

} // namespace conduit
