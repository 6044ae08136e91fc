# What pip installs, for the one Python that builds the wheel. CMake is run by
# scikit-build-core, which sets the SKBUILD variables and installs the component `wheel`.
#
#   bin/pyprofiler, bin/pyprofiler-run      a zip has no links: the same program twice
#   SITE/_pyprofiler.cpython-3XY-*.so       the extension module, which is the plugin too
#   SITE/pyprofiler/                        copied from worker/python by pyproject.toml
#   SITE/pyprofiler/_lib/pyprofiler-worker  the launcher
#   SITE/pyprofiler/_lib/python             for interpreters that lack the package
#
# The programs find the rest by their place (engine/layout.c).
set(tag ${PRF_TAGS})
set(lib ${SKBUILD_PLATLIB_DIR}/pyprofiler/_lib)

add_custom_target(pyprofiler_wheel DEPENDS pyprofiler pyprofiler-worker prf-py${tag})

# The build's folder is a temporary one: nothing of it may be in the programs.
target_link_options(pyprofiler PRIVATE -s)
set_target_properties(prf-py${tag} PROPERTIES
  OUTPUT_NAME _pyprofiler SUFFIX ${PRF_WHEEL_SUFFIX})

install(TARGETS pyprofiler DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT wheel)
install(PROGRAMS $<TARGET_FILE:pyprofiler> RENAME pyprofiler-run
  DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT wheel)
install(TARGETS prf-py${tag} DESTINATION ${SKBUILD_PLATLIB_DIR} COMPONENT wheel)
install(TARGETS pyprofiler-worker DESTINATION ${lib} COMPONENT wheel)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/worker/wheel/pyprofiler DESTINATION ${lib}/python
  COMPONENT wheel FILES_MATCHING PATTERN "*.py")
