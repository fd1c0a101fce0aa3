// SPDX-License-Identifier: Apache-2.0
// The one place that names Catch2's header (2.13 on Debian 12).
#pragma once

#include <catch2/catch.hpp>
