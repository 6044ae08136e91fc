# Which CPythons to build plugins for: one per minor version that has headers here.
# Gives PRF_TAGS ("311;312") and for each tag a target prf_python_<tag> with its include
# path, and PRF_PYTHON_<tag>, the interpreter it was found through. These interpreters are
# also listed in pythons.txt of the build tree, for what runs on each of them.
#
# -DPRF_PYTHONS= takes paths ("/opt/py/bin/python3") and versions ("3.12", "3.12.1"): each
# of them must be usable. Without it, what is installed decides.

set(PRF_MINORS 11 12 13 14)

# Where interpreters live, first come first served for a minor version: PATH, the system,
# then the installers that keep several beside each other.
function(prf_python_candidates out)
  set(patterns "")
  string(REPLACE ":" ";" path "$ENV{PATH}")
  foreach(dir IN LISTS path ITEMS /usr/bin /usr/local/bin)
    list(APPEND patterns ${dir}/python3 ${dir}/python3.[0-9] ${dir}/python3.[0-9][0-9])
  endforeach()
  foreach(dir IN ITEMS "$ENV{PYENV_ROOT}/versions" "$ENV{HOME}/.pyenv/versions"
          "$ENV{UV_PYTHON_INSTALL_DIR}" "$ENV{HOME}/.local/share/uv/python"
          /opt /opt/python)
    list(APPEND patterns ${dir}/*/bin/python3)
  endforeach()
  set(found "")
  foreach(pattern IN LISTS patterns)
    file(GLOB here ${pattern})
    list(APPEND found ${here})
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# <prefix>_WHY is empty when `python` can be built for, else what is wrong with it; the
# rest says what it is: _TAG 312, _VERSION 3.12.1, _INCLUDE, _EXECUTABLE.
function(prf_python_ask python prefix)
  execute_process(COMMAND ${python} -I -S -c "import sys, sysconfig as s
v = sys.version_info
print(f'{v[0]}{v[1]}', v[0], v[1], '%d.%d.%d' % v[:3], s.get_path('include'), sys.executable,
      sys.implementation.name, int(bool(s.get_config_var('Py_GIL_DISABLED'))), sep=';')"
    OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE rc)
  set(why "")
  if(NOT rc EQUAL 0)
    set(why "does not run as a Python 3")
  else()
    list(POP_FRONT answer tag major minor version include executable implementation freethreaded)
    if(NOT implementation STREQUAL "cpython")
      set(why "is ${implementation}, not CPython")
    elseif(NOT major EQUAL 3 OR NOT minor IN_LIST PRF_MINORS)
      set(why "is Python ${version}; 3.11 to 3.14 are supported")
    elseif(freethreaded)
      set(why "is a free-threaded build, which is not supported")
    elseif(NOT EXISTS ${include}/Python.h)
      set(why "has no headers (${include}/Python.h); install its development package")
    endif()
  endif()
  set(${prefix}_WHY "${why}" PARENT_SCOPE)
  set(${prefix}_TAG "${tag}" PARENT_SCOPE)
  set(${prefix}_VERSION "${version}" PARENT_SCOPE)
  set(${prefix}_INCLUDE "${include}" PARENT_SCOPE)
  set(${prefix}_EXECUTABLE "${executable}" PARENT_SCOPE)
endfunction()

# The first candidate whose version is `wanted` or starts with it and a dot.
function(prf_python_of_version wanted candidates out)
  set(rejected "")
  foreach(python IN LISTS candidates)
    prf_python_ask(${python} it)
    string(FIND "${it_VERSION}." "${wanted}." at)
    if(at EQUAL 0 AND NOT it_WHY)
      set(${out} ${python} PARENT_SCOPE)
      return()
    elseif(at EQUAL 0)
      string(APPEND rejected "; '${python}' ${it_WHY}")
    endif()
  endforeach()
  message(FATAL_ERROR "PRF_PYTHONS: no usable Python ${wanted} found${rejected}. "
    "Give the path of an interpreter")
endfunction()

prf_python_candidates(candidates)
set(chosen "")
foreach(word IN LISTS PRF_PYTHONS)
  if(word MATCHES "^3(\\.[0-9]+)+$")
    prf_python_of_version(${word} "${candidates}" python)
    list(APPEND chosen ${python})
  else()
    prf_python_ask(${word} it)
    if(it_WHY)
      message(FATAL_ERROR "PRF_PYTHONS: '${word}' ${it_WHY}")
    endif()
    list(APPEND chosen ${word})
  endif()
endforeach()
if(PRF_PYTHONS)
  set(candidates ${chosen})
endif()

set(PRF_TAGS "")
set(rejected "")
foreach(python IN LISTS candidates)
  prf_python_ask(${python} it)
  if(it_WHY)
    string(APPEND rejected "\n  '${python}' ${it_WHY}")
  elseif(NOT it_TAG IN_LIST PRF_TAGS)
    list(APPEND PRF_TAGS ${it_TAG})
    set(PRF_PYTHON_${it_TAG} ${it_EXECUTABLE})
    add_library(prf_python_${it_TAG} INTERFACE)
    target_include_directories(prf_python_${it_TAG} SYSTEM INTERFACE ${it_INCLUDE})
    message(STATUS "plugin for Python ${it_VERSION}: headers of ${it_EXECUTABLE}")
  elseif(PRF_PYTHONS)
    message(WARNING "PRF_PYTHONS: '${python}' is left out; its minor version has a plugin already")
  endif()
endforeach()
list(SORT PRF_TAGS)

if(NOT PRF_TAGS)
  message(FATAL_ERROR "no Python 3.11 or later with headers found; install python3-dev, or "
    "name interpreters with -DPRF_PYTHONS=${rejected}")
endif()

set(interpreters "")
foreach(tag IN LISTS PRF_TAGS)
  string(APPEND interpreters "${PRF_PYTHON_${tag}}\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/pythons.txt "${interpreters}")
