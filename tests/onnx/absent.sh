#!/bin/sh
# A program built without ONNX says so in one line, with exit code 2: absent.sh CREDENCE MODELS.
text=$("$1" convert "$2/mobile_9.onnx" -o absent.h5 2>&1)
code=$?
echo "$text"
test $code -eq 2 && test "$(echo "$text" | wc -l)" -eq 1 && test ! -e absent.h5 &&
    echo "$text" | grep -q "mobile_9.onnx: an ONNX file; this program was built without ONNX (Debian: install libprotobuf-c-dev"
