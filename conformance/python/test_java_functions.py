"""Java functions, compiled here and run by the bundled client. The comparison with AWS's own is in conformance/runtimes."""

import io
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile

from support import clients
from support.case import ServerCase
from support.deploy import invoke
from support.package import ROLE, zip_of

SOURCE = """
package example;

import java.io.*;
import java.util.*;

public class Function {
    private int count;
    public static class Order { private String item; private List<Integer> sizes;
        public String getItem() { return item; } public void setItem(String v) { item = v; }
        public List<Integer> getSizes() { return sizes; } public void setSizes(List<Integer> v) { sizes = v; } }
    public Map<String, Object> go(Map<String, Object> event) throws Exception {
        if (event.containsKey("fail")) throw new IllegalStateException("on purpose");
        if (event.containsKey("exit")) System.exit(3);
        count++;
        System.out.println("printed");
        Map<String, Object> answer = new TreeMap<>();
        answer.put("count", count); answer.put("event", event); answer.put("task", System.getenv("LAMBDA_TASK_ROOT"));
        answer.put("execution", System.getenv("AWS_EXECUTION_ENV")); answer.put("data", read("/data.txt"));
        answer.put("heap", Runtime.getRuntime().maxMemory() >> 20); answer.put("directory", new File(".").getCanonicalPath());
        return answer;
    }
    private String read(String name) throws IOException {
        InputStream in = getClass().getResourceAsStream(name);
        return in == null ? "absent" : new String(in.readAllBytes());
    }
    public Order order(Order order) { order.setItem(order.getItem() + "!"); return order; }
    public void records(InputStream in, OutputStream out) throws IOException { out.write(in.readAllBytes()); }
}
"""


def jar(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def installed():
    """The runtime of the Java in PATH, which the server finds too."""
    if not (java := shutil.which("java")) or not shutil.which("javac"):
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    runtime = f"java{found[1]}" if found else ""
    return runtime if runtime in ("java11", "java17", "java21", "java25") else None


@unittest.skipUnless(installed(), "there is no JDK of a version that AWS offers in PATH")
class JavaFunctions(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with tempfile.TemporaryDirectory() as directory:
            source = pathlib.Path(directory, "Function.java")
            source.write_text(SOURCE)
            subprocess.run(["javac", "-d", directory, source], check=True)
            root = pathlib.Path(directory)
            cls.classes = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.class")}

    def deploy(self, name, handler, files, **options):
        options = {"Runtime": installed(), "Timeout": 30, "MemorySize": 256, **options}
        self.functions.create_function(FunctionName=name, Handler=handler, Role=ROLE, Code={"ZipFile": zip_of(files)}, **options)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)

    def test_a_function_of_classes(self):
        self.deploy("classes", "example.Function::go", {**self.classes, "data.txt": "of the root"})
        answer, payload = invoke(self.functions, "classes", {"a": [1, "ä"]}, LogType="Tail")
        self.assertNotIn("FunctionError", answer, payload)
        self.assertEqual((payload["count"], payload["event"], payload["data"]), (1, {"a": [1, "ä"]}, "of the root"))
        self.assertEqual((payload["task"], payload["directory"]), ("/var/task", "/var/task"))
        self.assertEqual(payload["execution"], f"AWS_Lambda_{installed()}")
        self.assertLess(payload["heap"], 256)
        _, payload = invoke(self.functions, "classes", {})
        self.assertEqual(payload["count"], 2, "the same worker")
        answer, payload = invoke(self.functions, "classes", {"fail": 1})
        self.assertEqual((answer["FunctionError"], payload["errorType"], payload["errorMessage"]), ("Unhandled", "java.lang.IllegalStateException", "on purpose"))
        self.assertTrue(payload["stackTrace"][0].startswith("example.Function.go(Function.java:"), payload)
        _, payload = invoke(self.functions, "classes", {"exit": 1})
        self.assertEqual(payload["errorType"], "Runtime.ExitError")
        _, payload = invoke(self.functions, "classes", {})
        self.assertEqual(payload["count"], 1, "a new worker")

    def test_jars_of_the_package_and_of_layers(self):
        layer = self.functions.publish_layer_version(LayerName="java-data", Content={"ZipFile": zip_of({"java/lib/data.jar": jar({"data.txt": "of a layer"})})})
        files = {"lib/function.jar": jar(self.classes)}
        self.deploy("jars", "example.Function::go", files, Layers=[layer["LayerVersionArn"]])
        self.assertEqual(invoke(self.functions, "jars", {})[1]["data"], "of a layer")

    def test_beans_and_streams(self):
        self.deploy("bean", "example.Function::order", self.classes)
        _, payload = invoke(self.functions, "bean", {"item": "hat", "sizes": [1, 2], "other": 1})
        self.assertEqual(payload, {"item": "hat!", "sizes": [1, 2]})
        self.deploy("streams", "example.Function::records", self.classes)
        self.assertEqual(invoke(self.functions, "streams", {"a": 1})[1], {"a": 1})

    def test_a_missing_class_is_told_to_each_caller(self):
        self.deploy("missing", "example.Absent::go", self.classes)
        for _ in range(2):
            answer, payload = invoke(self.functions, "missing", {})
            self.assertEqual((answer["FunctionError"], payload), ("Unhandled", {"errorMessage": "Class not found: example.Absent", "errorType": "java.lang.ClassNotFoundException"}))
