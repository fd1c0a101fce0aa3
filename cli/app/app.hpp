// SPDX-License-Identifier: Apache-2.0
// What a verb's function may ask for. Nothing here does work before it is asked; there are no singletons: a
// test makes its own App with fakes in the slots.
#pragma once

#include "cli/app/console.hpp"
#include "cli/command/globals.hpp"
#include "cli/command/parse.hpp"
#include "cli/command/registry.hpp"
#include "cli/config/config.hpp"
#include "cli/config/paths.hpp"
#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/http.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace conduit {

class Agents;
class App;
class BackendModule;
class Backups;
class Certificates;
class Database;
class Endpoints;
class InstanceStreams;
class LoadedModule;
class Operations;
namespace local {
class LocalStack;
}
class Orchestrator;
class RedisServers;
class Releases;
class ServiceSettings;
class Volumes;

// A backend that is made when first asked for. The composition root (cli/app/wiring.cpp) or a test sets the
// factory.
template <class T> class Slot {
  public:
    using Factory = std::function<Result<std::unique_ptr<T>>(App&)>;
    void set(Factory factory) { factory_ = std::move(factory); }
    bool has_factory() const { return static_cast<bool>(factory_); }
    void reset() { value_.reset(); } // the next get() makes it anew
    Result<T*> get(App& app)
    {
        if (!value_) {
            if (!factory_)
                return fail(ErrorKind::internal,
                            "this program was built without the backend that is asked for");
            TRY_ASSIGN(std::unique_ptr<T> made, factory_(app));
            value_ = std::move(made);
        }
        return value_.get();
    }

  private:
    Factory factory_;
    std::shared_ptr<T> value_; // not unique_ptr: a shared_ptr can be destroyed where T is only declared
};

struct CheckResult {
    enum class Status { ok, warn, fail, skip };
    Status status = Status::ok;
    std::string detail;
    std::string hint;
};
struct ReachCheck {
    std::string name; // "agents reachable"
    std::function<CheckResult(App&, const Context&)> run;
};

struct AppParts {
    Console& console;
    Clock& clock;
    Cancel& cancel;
    Environment env;
    const Registry& registry;
};

class App {
  public:
    explicit App(AppParts parts);
    ~App();
    App(const App&) = delete;
    App& operator=(const App&) = delete;

    Console& console() { return parts_.console; }
    Clock& clock() { return parts_.clock; }
    Cancel& cancel() { return parts_.cancel; }
    const Environment& env() const { return parts_.env; }
    std::string env_or(std::string_view name, std::string_view otherwise) const;
    const Registry& registry() const { return parts_.registry; }
    const Paths& paths() const { return paths_; }
    const GlobalOptions& global() const { return global_; }
    void set_global(GlobalOptions global);
    std::string operator_name() const; // CONDUIT_OPERATOR, else the login's
    std::string program_path() const;  // of the running conduitctl, for spawning itself

    ConfigPlaces config_places() const;
    Result<const Config*> config(); // the file is read once
    Result<const Context*>
    context();                // -C, CONDUIT_CONTEXT, current-context; not_found with the nearest names
    std::string name_space(); // -n, else the context's
    Result<Secret> secret(const SecretRef& ref);
    Deadline deadline(Duration otherwise) const; // --timeout, or this
    bool colour_out() const;
    bool colour_err() const;

    // For verbs that stream: one line for people, one object for machines (-o json: a line an object).
    // interrupted once nobody reads any more or Ctrl-C was pressed.
    Result<> emit(std::string_view text, const Json& item);
    // For --watch: a whole screen, redrawn on a terminal, appended elsewhere.
    Result<> emit(const Report& report);
    // A warning for people, on stderr; not under -q. Under -o json a JSON line.
    void warn(std::string_view text);

    // The words of this run, for the journal; no flag takes a secret.
    const std::vector<std::string>& command_line() const { return command_line_; }
    void set_command_line(std::vector<std::string> words) { command_line_ = std::move(words); }

    // Runs another command line in this process: runbooks, playbooks, resume. Global flags of this run are
    // inherited where the words name none.
    Result<Report> run(std::span<const std::string> words);

    // What `doctor` and `context check` ask beyond this machine's own files; the composition root adds to it.
    std::vector<ReachCheck> reach_checks;
    // Starts `conduitctl WORDS` detached with its output closed; completion's refresher. Unset: no
    // refreshing.
    std::function<void(const std::vector<std::string>& words)> spawn_self;

    // --- backends; add a Slot here and set it in cli/app/wiring.cpp
    // -------------------------------------------
    Slot<LoadedModule> module_slot; // the shared module with the adapters, loaded once
    Result<BackendModule*> backends();
    Slot<HttpClient> http_slot;
    Result<HttpClient*> http() { return http_slot.get(*this); }
    Slot<Agents> agents_slot;             // the agents of the context
    Result<Agents*> agents();             // defined where the types are whole: app.cpp
    Slot<Orchestrator> orchestrator_slot; // what runs the instances of the context
    Result<Orchestrator*> orchestrator();
    Slot<InstanceStreams> streams_slot; // into the instances: commands, files, ports
    Result<InstanceStreams*> streams();
    Slot<ServiceSettings> settings_slot; // the configuration and secrets of the context's service
    Result<ServiceSettings*> settings();
    Slot<Endpoints> endpoints_slot;
    Result<Endpoints*> endpoints();
    Slot<Releases> releases_slot; // what a cluster knows of its workloads beyond that
    Result<Releases*> releases();
    Slot<Volumes> volumes_slot; // what keeps the instances' data
    Result<Volumes*> volumes();
    Slot<Certificates> certificates_slot; // what a cluster's manager of certificates knows
    Result<Certificates*> certificates();
    Slot<RedisServers> redis_slot; // the Redis of the context
    Result<RedisServers*> redis();
    Slot<Database> database_slot; // the PostgreSQL of the context
    Result<Database*> database();
    Slot<Backups> backups_slot; // where the context's backups are, and what they are of
    Result<Backups*> backup();
    Slot<local::LocalStack> local_slot; // what `local up` runs on this machine
    Result<local::LocalStack*> local_stack();
    Slot<Operations> operations_slot; // the engine every change goes through
    Result<Operations*> operations();

  private:
    AppParts parts_;
    Paths paths_;
    GlobalOptions global_;
    std::optional<Config> config_;
    std::vector<std::string> command_line_;
    bool screen_drawn_ = false;
};

// The whole program: parse, run, render. words without the program's name. Returns the exit code.
int run_cli(App& app, const std::vector<std::string>& words);

Environment current_environment(); // of this process

} // namespace conduit
