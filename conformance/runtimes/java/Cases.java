package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.events.KinesisEvent;
import java.io.*;
import java.util.*;

public class Cases implements RequestHandler<Map<String, Object>, Object> {
    public static class Point { private int x; private Integer y; private String label; private List<Point> more; private boolean set; private Map<String, Double> sizes; private byte[] bytes; private Colour colour;
        public int getX() { return x; } public void setX(int v) { x = v; }
        public Integer getY() { return y; } public void setY(Integer v) { y = v; }
        public String getLabel() { return label; } public void setLabel(String v) { label = v; }
        public List<Point> getMore() { return more; } public void setMore(List<Point> v) { more = v; }
        public boolean isSet() { return set; } public void setSet(boolean v) { set = v; }
        public Map<String, Double> getSizes() { return sizes; } public void setSizes(Map<String, Double> v) { sizes = v; }
        public byte[] getBytes() { return bytes; } public void setBytes(byte[] v) { bytes = v; }
        public Colour getColour() { return colour; } public void setColour(Colour v) { colour = v; } }
    public enum Colour { RED, BLUE }
    public static class Odd extends RuntimeException { public Odd(String m, Throwable c) { super(m, c); } }

    @Override public Object handleRequest(Map<String, Object> event, Context context) {
        String what = (String) event.get("do");
        switch (what) {
            case "echo": return event.get("value");
            case "null": return null;
            case "throw": throw new IllegalStateException("no: " + event.get("value"));
            case "cause": throw new Odd("outer", new IllegalArgumentException("inner"));
            case "silent": throw new RuntimeException();
            case "npe": return ((String) null).length();
            case "error": throw new AssertionError("asserted");
            case "log": context.getLogger().log("logged\n"); System.out.println("printed"); System.err.println("to stderr"); return 1;
            case "context": return List.of(context.getAwsRequestId(), context.getFunctionName(), context.getFunctionVersion(), context.getMemoryLimitInMB(), context.getInvokedFunctionArn(), context.getLogGroupName(), context.getLogStreamName(), context.getRemainingTimeInMillis() > 0, String.valueOf(context.getClientContext() == null), String.valueOf(context.getIdentity() == null));
            case "client": return Arrays.asList(context.getClientContext().getCustom(), context.getClientContext().getEnvironment(), context.getClientContext().getClient().getInstallationId(), context.getIdentity().getIdentityId());
            case "exit": System.exit(3);
            case "types": { Map<String, Object> m = new LinkedHashMap<>(); m.put("int", 1); m.put("long", 1L << 40); m.put("double", 1.5); m.put("whole", 2.0); m.put("float", 0.1f); m.put("text", "\u00e4\ud83d\ude00\"\\\n\u0001/"); m.put("list", List.of(1, "a")); m.put("array", new int[] {1, 2}); m.put("bytes", new byte[] {1, 2}); m.put("nan", Double.NaN); m.put("enum", Colour.RED); m.put("null", null); m.put("char", 'c'); m.put("big", new java.math.BigInteger("123456789012345678901234567890")); m.put("decimal", new java.math.BigDecimal("1.10")); m.put("set", new TreeSet<>(List.of(1, 2))); m.put("bool", true); return m; }
            default: return "?";
        }
    }
    public Point point(Point p) { return p; }
    public String text(String s, Context c) { return s + "!"; }
    public int number(int n) { return n + 1; }
    public List<Point> points(List<Point> all) { return all; }
    public void nothing(Object o) { }
    public String none() { return "none"; }
    public static String statically(String s) { return s; }
    public Boolean flag(Boolean b) { return b; }
    public double half(Double d) { return d / 2; }
    public String kinesis(KinesisEvent event) { StringBuilder b = new StringBuilder(); for (KinesisEvent.KinesisEventRecord r : event.getRecords()) { byte[] d = new byte[r.getKinesis().getData().remaining()]; r.getKinesis().getData().get(d); b.append(r.getKinesis().getPartitionKey() + "|" + r.getKinesis().getSequenceNumber() + "|" + new String(d) + "|" + r.getKinesis().getApproximateArrivalTimestamp().getTime() + "|" + r.getEventSourceARN() + "|" + r.getAwsRegion() + "|" + r.getEventID() + "|" + r.getKinesis().getKinesisSchemaVersion() + "|" + r.getEventName() + "|" + r.getInvokeIdentityArn() + ";"); } return b.toString(); }
    public static class Streams implements RequestStreamHandler { public void handleRequest(InputStream in, OutputStream out, Context c) throws IOException { out.write("\"".getBytes()); out.write(String.valueOf(in.readAllBytes().length).getBytes()); out.write("\"".getBytes()); } }
    public static class Private { private Private() {} public String go(String s) { return s; } }
    public static class Failing { public Failing() { throw new IllegalStateException("at start"); } public String go(String s) { return s; } }
    public static class Static { static int x; static { if (true) throw new IllegalStateException("static"); } public String go(String s) { return s; } }
    public static class Neither { }
}
