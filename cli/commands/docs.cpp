// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"
#include "cli/command/reference.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/shared.hpp"
#include "cli/config/schema.hpp"
#include "core/text.hpp"

#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct PageOptions {
    std::vector<std::string> command;
};

void page_flags(Flags& flags, PageOptions& o)
{
    flags.rest("COMMAND", o.command, "Command, such as: context use").complete(noun_completer());
}

Report text_report(std::string text)
{
    Report report;
    report.data = Json{{"text", text}};
    report.text = std::move(text);
    return report;
}

Result<Report> man(App& app, const PageOptions& o)
{
    if (o.command.empty())
        return text_report(program_man_page(app.registry()));
    TRY_ASSIGN(const Noun* noun, known_noun(app, o.command.front()));
    const std::string wanted = join(o.command, " ");
    std::vector<std::string> names;
    for (const Verb& verb : noun->verbs) {
        names.push_back(command_path(*noun, verb));
        if (names.back() == wanted)
            return text_report(man_page(*noun, verb));
    }
    return fail(ErrorKind::not_found, unknown_name("command", wanted, names),
                fmt::format("See: conduitctl {} --help", noun->name));
}

Result<Report> markdown(App& app, const PageOptions& o)
{
    if (o.command.empty())
        return text_report(markdown_index(app.registry()));
    TRY_ASSIGN(const Noun* noun, known_noun(app, o.command.front()));
    return text_report(markdown_noun(*noun));
}

struct SchemaDoc {
    std::string_view name;
    std::string_view summary;
    Json (*make)();
};
// Every format that people write by hand has its line here.
constexpr std::array<SchemaDoc, 1> k_schemas{{
    {"config", "the user's configuration, config.yaml", config_schema},
}};

struct SchemaOptions {
    std::string name;
};

Result<std::vector<Candidate>> schema_names(App&, std::span<const std::string>)
{
    std::vector<Candidate> names;
    for (const SchemaDoc& schema : k_schemas)
        names.push_back({std::string(schema.name), std::string(schema.summary)});
    return names;
}

void schema_flags(Flags& flags, SchemaOptions& o)
{
    flags.arg("NAME", o.name, "Format; without it the formats are listed")
        .optional()
        .complete({.key = "schemas", .fetch = schema_names, .live = false});
}

Result<Report> schema(App&, const SchemaOptions& o)
{
    Json items = Json::array();
    std::vector<std::string> names;
    for (const SchemaDoc& doc : k_schemas) {
        if (doc.name == o.name) {
            Report report;
            report.data = doc.make();
            report.text = dump_json(*report.data, 2);
            return report;
        }
        names.emplace_back(doc.name);
        items.push_back({{"name", doc.name}, {"summary", doc.summary}});
    }
    if (!o.name.empty())
        return fail(ErrorKind::not_found, unknown_name("schema", o.name, names),
                    "See: conduitctl docs schema");
    Report report;
    report.data = Json{{"items", items}};
    report.columns = {{.head = "NAME", .field = "name"}, {.head = "FORMAT", .field = "summary"}};
    return report;
}

struct GenerateOptions {
    fs::path to;
    bool check = false;
};

void generate_flags(Flags& flags, GenerateOptions& o)
{
    flags.opt("--to", o.to, "Folder to write into").value("DIR").required();
    flags.flag("--check", o.check, "Write nothing; exit 14 when a file is not fresh");
}

Result<Report> generate(App& app, const GenerateOptions& o)
{
    Report report;
    Json changed = Json::array();
    const auto files = generated_files(app.registry());
    constexpr std::size_t k_largest = 4U << 20U;
    for (const GeneratedFile& file : files) {
        const fs::path path = o.to / file.path;
        const auto before = read_file(path, k_largest);
        if (before && *before == file.content)
            continue;
        changed.push_back(file.path);
        if (o.check)
            continue;
        constexpr mode_t k_dir = 0755;
        constexpr mode_t k_file = 0644;
        TRY(make_dirs(path.parent_path(), k_dir));
        TRY(write_file(path, file.content, k_file));
    }
    report.verdict = o.check && !changed.empty() ? ErrorKind::differs : ErrorKind::ok;
    report.data = Json{{"files", files.size()}, {"changed", changed}};
    return report;
}

std::vector<Omitted> local_only()
{
    return prints_what_it_holds();
}

} // namespace

Noun docs()
{
    return {
        .name = "docs",
        .summary = "Manual pages, reference and schemas",
        .group = Group::tool,
        .verbs = {
            verb<PageOptions>({.name = "man",
                               .summary = "Print a command's manual page (roff)",
                               .examples = {"conduitctl docs man", "conduitctl docs man context use"},
                               .omitted = local_only()},
                              page_flags, man),
            verb<PageOptions>({.name = "markdown",
                               .summary = "Print a noun's reference as Markdown",
                               .examples = {"conduitctl docs markdown context"},
                               .omitted = local_only()},
                              page_flags, markdown),
            verb<SchemaOptions>({.name = "schema",
                                 .summary = "Print the JSON Schema of a file format",
                                 .text = "Editors use it to complete and check what people write by hand.",
                                 .examples = {"conduitctl docs schema config"},
                                 .omitted = local_only()},
                                schema_flags, schema),
            verb<GenerateOptions>(
                {.name = "generate",
                 .summary = "Write completions, reference and manual pages",
                 .effect = Effect::local,
                 .examples = {"conduitctl docs generate --to .", "conduitctl docs generate --to . --check"},
                 .also = {ErrorKind::differs},
                 .omitted = {{ErrorKind::unreachable, "writes local files only"},
                             {ErrorKind::unknown, "writes local files only"},
                             {ErrorKind::not_found, "makes the folder it is to write into"},
                             {ErrorKind::interrupted, "ends at once"}}},
                generate_flags, generate),
        }};
}

} // namespace conduit::commands
