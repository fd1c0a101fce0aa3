// SPDX-License-Identifier: Apache-2.0
// The verbs of backups, on a folder that is real and a repository that can be broken.
#include "tests/cli/exit_codes.hpp"
#include "tests/support/fakes/fake_backups.hpp"

#include "cli/backup/run.hpp"
#include "cli/targets/backups.hpp"

namespace conduit::test {
namespace {

using enum ErrorKind;

constexpr auto k_old = "20261101T020000Z-0001";
constexpr auto k_new = "20261121T020000Z-0002";

class Borrowed final : public Backups {
  public:
    explicit Borrowed(Backups& to) : to_(to) {}
    std::string identity() const override { return to_.identity(); }
    std::string system() const override { return to_.system(); }
    Result<backup::Repository*> repository() override { return to_.repository(); }
    std::vector<std::string> parts() const override { return to_.parts(); }
    Result<std::vector<std::unique_ptr<backup::Source>>>
    sources(const std::vector<std::string>& parts) override
    {
        return to_.sources(parts);
    }
    backup::Keys keys() const override { return to_.keys(); }
    backup::Retention retention() const override { return to_.retention(); }

  private:
    Backups& to_;
};

std::shared_ptr<FakeBackups> backups_of(Stage& s)
{
    return std::static_pointer_cast<FakeBackups>(s.kept);
}

void make(Stage& s, FakeBackups& backups, const std::string& id)
{
    const auto sources = backups.sources(backups.parts()).value();
    const auto made = backup::run_backup(*backups.repository().value(), sources,
                                         {.id = id,
                                          .system = "audio",
                                          .operation = "01JD",
                                          .keys = {},
                                          .clock = &s.world.app.clock,
                                          .stop = nullptr,
                                          .progress = {},
                                          .sent = {}},
                                         Deadline(30s));
    if (!made)
        throw std::runtime_error(made.error().message + made.error().cause);
}

void with_backups(Stage& s)
{
    s.write("data/notes", "what the engineer wrote");
    auto backups = std::make_shared<FakeBackups>(s.world.app.home(), s.world.app.cancel);
    s.kept = backups;
    make(s, *backups, k_old);
    make(s, *backups, k_new);
    s.world.more = [backups](App& app) {
        app.backups_slot.set([backups](App& a) -> Result<std::unique_ptr<Backups>> {
            TRY(a.context());
            return std::make_unique<Borrowed>(*backups);
        });
        app.operations_slot.set([backups](App& a) -> Result<std::unique_ptr<Operations>> {
            auto operations = std::make_unique<Operations>(a);
            operations->add_target("backups", [backups](App& b) -> Result<std::unique_ptr<ops::Target>> {
                return std::make_unique<ops::BackupTarget>(*backups, b.clock(), &b.cancel());
            });
            return operations;
        });
    };
}

Inject store_says(ErrorKind kind, const char* call = "", const char* path = "")
{
    return [=](Stage& s) {
        backups_of(s)->before = [=](const std::string& asked, const std::string& of) -> std::optional<Error> {
            if (asked.find(call) != std::string::npos && of.find(path) != std::string::npos)
                return Error{kind, "the store says no"};
            return std::nullopt;
        };
    };
}

void flip(Stage& s)
{
    const auto manifest = s.file("repository") / k_new / "manifest.json";
    auto text = read_file(manifest).value();
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    if (!write_file(manifest, text))
        throw std::runtime_error("cannot damage the manifest");
}

Faults reads()
{
    return {{ok, [](Stage&) {}},
            {usage, [](Stage& s) { s.words.emplace_back("--no-such-flag"); }},
            {not_found, [](Stage& s) { s.words.insert(s.words.end(), {"-C", "nope"}); }},
            {interrupted, [](Stage& s) { s.interrupt(); }},
            {failed, store_says(failed)},
            {auth, store_says(auth)},
            {unreachable, store_says(unreachable)},
            {unknown, store_says(unknown)}};
}

Faults changes()
{
    auto faults = reads();
    faults[refused] = [](Stage& s) {
        s.world.app.write_config("contexts: {local: {guards: {protected: true}}}\n");
    };
    faults[locked] = [](Stage& s) { s.hold_every_lock(); };
    faults[unverified] = [](Stage& s) { s.words.emplace_back("--no-wait"); };
    return faults;
}

// The other one is proved after the plan was made.
void moves_on(Stage& s)
{
    backups_of(s)->before = [&s, count = 0](const std::string& call,
                                            const std::string& path) mutable -> std::optional<Error> {
        if (call == "read" && path.starts_with(k_old) && ++count == 3) {
            const auto file = s.file("repository") / k_old / "manifest.json";
            const auto written = write_file(file, read_file(file).value() + "\n");
            if (!written)
                return written.error();
        }
        return std::nullopt;
    };
}

} // namespace

std::vector<Case> backup_cases()
{
    static const Faults read = reads(), change = changes();
    const Words prune{"backup", "prune", "--confirm", "s3://backups/prod", "--reason", "retention", "-y"};
    return {{.verb = "backup ls", .words = {"backup", "ls"}, .faults = &read, .before = with_backups},
            {.verb = "backup show",
             .words = {"backup", "show", "latest"},
             .faults = &read,
             .more = {{breached, flip}},
             .before = with_backups},
            {.verb = "backup verify",
             .words = {"backup", "verify", "latest"},
             .faults = &read,
             .more = {{breached, flip}},
             .before = with_backups},
            {.verb = "backup fetch",
             .words = {"backup", "fetch", "latest", "--to", "FILE"},
             .faults = &read,
             .more = {{breached, flip}},
             .before = with_backups},
            {.verb = "backup run",
             .words = {"backup", "run"},
             .faults = &change,
             .more = {{partial, store_says(failed, "list", "2026")}},
             .before = with_backups},
            {.verb = "backup prune",
             .words = prune,
             .faults = &change,
             .more = {{stale, moves_on}, {partial, store_says(failed, "remove", "folder-data")}},
             .before = with_backups}};
}

} // namespace conduit::test
