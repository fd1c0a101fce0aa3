// SPDX-License-Identifier: Apache-2.0
// Only for loop.cpp and stream.cpp: the part of the loop that names Asio.
#pragma once

#include "agent/net/loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <openssl/ssl.h>

namespace conduit::agent {

namespace asio = boost::asio;
using boost::system::error_code;

struct Loop::Impl {
    asio::io_context io{1};
    asio::steady_timer timer{io};
    asio::ip::tcp::resolver resolver{io};
    struct Resolved {
        std::vector<Address> addresses;
        SteadyTime until{};
    };
    std::map<std::string, Resolved> names;
    std::map<std::string, std::shared_ptr<SSL_CTX>> tls; // by ca_file
};

} // namespace conduit::agent
