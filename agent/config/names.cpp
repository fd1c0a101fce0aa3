// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.hpp"

namespace conduit::agent {

std::string_view operation_name(Operation operation)
{
    switch (operation) {
    case Operation::transcription:
        return "transcription";
    case Operation::translation:
        return "translation";
    case Operation::speech:
        return "speech";
    case Operation::realtime:
        return "realtime";
    case Operation::chat:
        return "chat";
    }
    return "unknown";
}

std::string_view kind_name(ProviderKind kind)
{
    switch (kind) {
    case ProviderKind::openai:
        return "openai";
    case ProviderKind::google:
        return "google";
    case ProviderKind::aws:
        return "aws";
    }
    return "unknown";
}

} // namespace conduit::agent
