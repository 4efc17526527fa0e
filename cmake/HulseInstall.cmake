# SPDX-License-Identifier: Apache-2.0
#
# libhulse for applications: library, archive, headers, hulse.pc and the CMake package.

include(CMakePackageConfigHelpers)

install(TARGETS hulse hulse_static EXPORT hulse
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY include/hulse DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/hulse")
install(EXPORT hulse NAMESPACE hulse:: FILE hulse-targets.cmake DESTINATION "${package}")
configure_package_config_file(cmake/hulse-config.cmake.in hulse-config.cmake
                              INSTALL_DESTINATION "${package}"
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(hulse-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/hulse-config.cmake"
              "${PROJECT_BINARY_DIR}/hulse-config-version.cmake"
        DESTINATION "${package}")

# The prefix in hulse.pc is relative to the file, so an installed tree can be moved.
file(RELATIVE_PATH HULSE_PC_PREFIX
     "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}/")
string(REGEX REPLACE "/$" "" HULSE_PC_PREFIX "${HULSE_PC_PREFIX}")
configure_file(shmlib/hulse.pc.in hulse.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/hulse.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
